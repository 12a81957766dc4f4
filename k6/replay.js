// replay: a recorded load, TRACE [example.csv], rows of t_seconds,rps under a header, linear between them however far apart they
// lie; scaled so that its highest value becomes RATE (PEAK=own: as it is). SPEED [1] runs it so many times faster; FROM [0] and
// LENGTH [all] cut a piece out, in seconds of the recording. The same files drive the simulator (envs/traces).
import { options as build, request, seconds, settings, stage } from './common.js';

const name = __ENV.TRACE || 'example.csv';
const rows = [];
open(name).split(/\r?\n/).forEach((line, i) => {
  if (i === 0 || line === '') return;
  const fields = line.split(',').map((field) => (field.trim() === '' ? NaN : Number(field))); // Number('') is 0
  const [time_s, rps] = fields;
  if (fields.length !== 2 || !Number.isFinite(time_s) || !(rps >= 0 && rps < Infinity)) {
    throw new Error(`${name}:${i + 1}: wanted t_seconds,rps`);
  }
  if (rows.length > 0 && !(time_s > rows[rows.length - 1].time_s)) throw new Error(`${name}:${i + 1}: times must rise`);
  rows.push({ time_s, rps });
});
if (rows.length < 2) throw new Error(`${name}: fewer than two rows`);

function load_at(time_s) {
  const after = Math.max(1, rows.findIndex((row) => row.time_s >= time_s));
  const [a, b] = [rows[after - 1], rows[after]];
  return a.rps + ((b.rps - a.rps) * (time_s - a.time_s)) / (b.time_s - a.time_s);
}

const speed = settings.number('SPEED', 1);
const first_s = rows[0].time_s;
const last_s = rows[rows.length - 1].time_s;
const from_s = first_s + seconds('FROM', '0');
const to_s = __ENV.LENGTH === undefined ? last_s : Math.min(from_s + seconds('LENGTH'), last_s);
if (!(to_s > from_s)) throw new Error(`${name}: FROM and LENGTH leave nothing of its ${last_s - first_s} s`);

// The ends of the piece may lie between two rows.
const inside = rows.filter((row) => row.time_s > from_s && row.time_s < to_s);
const end_at = (time_s) => ({ time_s, rps: load_at(time_s) });
const piece = [end_at(from_s), ...inside, end_at(to_s)];
const highest = piece.reduce((most, row) => Math.max(most, row.rps), 0);
const factor = __ENV.PEAK === 'own' || highest === 0 ? 1 : settings.rate / highest;

// k6 counts whole milliseconds: moments are rounded, not the steps between them, whose errors would add up.
const moment_s = (row) => Math.round((1000 * (row.time_s - from_s)) / speed) / 1000;
const stages = piece.slice(1).map((row, i) => stage(moment_s(row) - moment_s(piece[i]), row.rps * factor));

export const options = build(stages, piece[0].rps * factor);

export default request;

// replay: a recorded load, TRACE [example.csv], rows of t_seconds,rps under a header, linear between them; scaled so that its
// highest value becomes RATE (PEAK=own: as it is). SPEED [1] runs it so many times faster; FROM [0] and LENGTH [all] cut a piece
// out, in seconds of the recording. The same files drive the simulator (envs/traces).
import { options as build, request, seconds, settings, stage } from './common.js';

const name = __ENV.TRACE || 'example.csv';
const rows = open(name).split(/\r?\n/).slice(1).filter((line) => line !== '').map((line, i) => {
  const [time_s, rps] = line.split(',').map(Number);
  if (!(time_s >= 0) || !(rps >= 0)) throw new Error(`${name}:${i + 2}: wanted t_seconds,rps`);
  return { time_s, rps };
});
if (rows.length < 2) throw new Error(`${name}: fewer than two rows`);

const speed = settings.number('SPEED', 1);
const from_s = rows[0].time_s + seconds('FROM', '0');
const to_s = from_s + seconds('LENGTH', String(rows[rows.length - 1].time_s));
const piece = rows.filter((row) => row.time_s >= from_s && row.time_s <= to_s);
if (piece.length < 2) throw new Error(`${name}: fewer than two rows between FROM and FROM + LENGTH`);
const highest = piece.reduce((most, row) => Math.max(most, row.rps), 0);
const factor = __ENV.PEAK === 'own' || highest === 0 ? 1 : settings.rate / highest;
const stages = [];
for (let i = 1; i < piece.length; i++) {
  const lasts_s = (piece[i].time_s - piece[i - 1].time_s) / speed;
  if (!(lasts_s > 0)) throw new Error(`${name}: times must rise`);
  stages.push(stage(lasts_s, piece[i].rps * factor));
}

export const options = build(stages, piece[0].rps * factor);

export default request;

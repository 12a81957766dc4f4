// diurnal: a day and a night as a cosine between RATE x NIGHT [0.2] and RATE, one DAY [1h] long, DAYS [1] times. What to see: the
// replica count is a staircase along the curve, a little ahead on the way up, with few turns.
import { options as build, request, seconds, settings, stage } from './common.js';

const STEPS = 48;
const night = settings.number('NIGHT', 0.2);
const day_s = seconds('DAY', '1h');
const at = (share) => settings.rate * (night + (1 - night) * 0.5 * (1 - Math.cos(2 * Math.PI * share)));
const stages = [];
for (let i = 1; i <= STEPS * settings.number('DAYS', 1); i++) stages.push(stage(day_s / STEPS, at(i / STEPS)));

export const options = build(stages, at(0));

export default request;

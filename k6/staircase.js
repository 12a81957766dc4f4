// staircase: STEPS [6] steps of STEP [30s], each RATE / STEPS requests per second higher than the one before. For maestro
// calibrate, which runs it itself. Every request comes late by a random time up to SPREAD [2s], so that arrivals are as good as
// random (Poisson), as those of many independent users are; k6 alone sends them at even intervals, which queue less. What to see:
// latency flat on the lower steps, then a plateau of the requests per second that one pod can do. Requests may fail up there;
// only iterations that k6 itself drops make the run fail.
import { sleep } from 'k6';
import { options as build, request, seconds, settings, stage } from './common.js';

const steps = settings.number('STEPS', 6);
const length_s = seconds('STEP', '30s');
const spread_s = seconds('SPREAD', '2s');

const stages = [];
for (let i = 1; i <= steps; i++) {
  const rate = (settings.rate * i) / steps;
  stages.push(stage(0, rate), stage(length_s, rate));
}

const built = build(stages, settings.rate / steps);
built.scenarios.load.preAllocatedVUs = built.scenarios.load.maxVUs;
built.thresholds = { dropped_iterations: ['count<1'] };
export const options = built;

export default function () {
  sleep(Math.random() * spread_s);
  return request();
}

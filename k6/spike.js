// spike: BASE [RATE / 5] requests per second, then RATE at once for SPIKE [2m], SPIKES [2] times, QUIET [5m] around each. What to
// see: how long p95 stays over the limit after the jump, and that the pods are not given away the moment it is over.
import { options as build, request, seconds, settings, stage } from './common.js';

const base = settings.number('BASE', settings.rate / 5);
const stages = [stage(seconds('QUIET', '5m'), base)];
for (let i = 0; i < settings.number('SPIKES', 2); i++) {
  stages.push(stage(0, settings.rate), stage(seconds('SPIKE', '2m'), settings.rate));
  stages.push(stage(0, base), stage(seconds('QUIET', '5m'), base));
}

export const options = build(stages, base);

export default request;

// onoff: RATE for ON [3m], nothing for OFF [3m], CYCLES [5] times. What to see: without a request p95 does not exist, which is
// not zero and not a failure; the pods that the next burst needs are not all given away.
import { options as build, request, seconds, settings, stage } from './common.js';

const stages = [];
for (let i = 0; i < settings.number('CYCLES', 5); i++) {
  stages.push(stage(0, settings.rate), stage(seconds('ON', '3m'), settings.rate));
  stages.push(stage(0, 0), stage(seconds('OFF', '3m'), 0));
}

export const options = build(stages);

export default request;

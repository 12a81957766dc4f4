// ramp: from nothing to RATE within UP [5m], stays there for HOLD [5m], and back within DOWN [5m]. What to see: replicas follow
// on the way up before p95 crosses the limit, and go back without swinging.
import { options as build, request, seconds, settings, stage } from './common.js';

export const options = build([
  stage(seconds('UP', '5m'), settings.rate),
  stage(seconds('HOLD', '5m'), settings.rate),
  stage(seconds('DOWN', '5m'), 0),
]);

export default request;

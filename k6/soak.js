// soak: RATE requests per second for LENGTH [4h]. What to see: nothing. No change of replicas after the first minutes, flat
// memory, no failed request.
import { options as build, request, seconds, settings, stage } from './common.js';

export const options = build([stage(seconds('LENGTH', '4h'), settings.rate)], settings.rate);

export default request;

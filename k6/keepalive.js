// keepalive: why the other scripts open a connection for each request. USERS [20] users ask RATE times a second in all, for
// LENGTH [5m], and each remembers which pods answered it (the demo service says its pod's name). REUSE=on [the default here]: each user stays
// with the pod of its first request, and pods that are started meanwhile get nothing from it: pods_met_by_user stays 1 however many
// replicas there are. REUSE=off: every user meets all of them.
import { Trend } from 'k6/metrics';
import { request, seconds, settings } from './common.js';

const users = settings.number('USERS', 20);
const reuse = __ENV.REUSE !== 'off';
const pods_met = new Trend('pods_met_by_user');
const met = new Set(); // each user is a world of its own

export const options = {
  scenarios: {
    load: {
      executor: 'constant-arrival-rate',
      rate: Math.round(settings.rate),
      duration: `${seconds('LENGTH', '5m')}s`,
      preAllocatedVUs: users,
      maxVUs: users,
    },
  },
  noConnectionReuse: !reuse,
  thresholds: reuse ? { pods_met_by_user: ['max<=1'] } : { http_req_failed: [`rate<${settings.failed}`] },
};

export default function () {
  const answer = request();
  if (answer.status === 200) met.add(answer.json('pod'));
  pods_met.add(met.size);
}

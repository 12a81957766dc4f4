// common: what the load scripts share: parameters from the environment, options, the request, the summary.
//
//   TARGET       URL to load                                        http://target-app.demo
//   RATE         requests per second at the script's full height    50
//   SOFT_MS      p95 of the run must stay below, milliseconds       100
//   FAILED       share of failed requests must stay below           0.01
//   TIMEOUT      of a request                                       10s
//   USERS        most requests in flight                            RATE x 4, at least 50
//   READY        of them made before the start; a request that finds none ready is dropped, and one more is made   USERS / 4
//   REUSE        on: keep connections open between requests         off
//
// Open arrivals throughout: requests come when they come, however slow the service is. Users who wait for an answer before they
// ask again would slow down with it and hide the overload. dropped_iterations says that k6 itself could not keep up: such a run
// measures nothing, so it fails. Connections are not kept: kube-proxy balances connections, not requests, and a kept-alive user
// never meets a pod that was started after it (keepalive.js shows that).
import http from 'k6/http';
import { check } from 'k6';

const number = (name, fallback) => {
  const value = Number(__ENV[name] === undefined ? fallback : __ENV[name]);
  if (!(value > 0)) throw new Error(`${name}=${__ENV[name]}: wanted a number above 0`);
  return value;
};

// Seconds of "90", "90s", "5m" or "2h".
export function seconds(name, fallback) {
  const text = __ENV[name] === undefined ? fallback : __ENV[name];
  const parts = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  if (!parts) throw new Error(`${name}=${text}: wanted a duration such as 90s, 5m or 2h`);
  return Number(parts[1]) * { s: 1, m: 60, h: 3600 }[parts[2] || 's'];
}

export const settings = {
  target: __ENV.TARGET || 'http://target-app.demo',
  rate: number('RATE', 50),
  soft_ms: number('SOFT_MS', 100),
  failed: number('FAILED', 0.01),
  timeout: __ENV.TIMEOUT || '10s',
  number,
};

// A stage of k6: over so many seconds to so many requests per second. k6 wants whole rates, so time is counted in tens of
// seconds: 0.5 requests per second are 5 in ten.
const PER_S = 10;
export function stage(duration_s, rate) {
  return { duration: `${Math.max(0, Math.round(duration_s * 1000))}ms`, target: Math.max(0, Math.round(rate * PER_S)) };
}

export function options(stages, start_rate = 0) {
  const peak = stages.reduce((most, s) => Math.max(most, s.target / PER_S), start_rate);
  const users = number('USERS', Math.max(50, Math.ceil(4 * peak)));
  return {
    scenarios: {
      load: {
        executor: 'ramping-arrival-rate',
        startRate: Math.round(start_rate * PER_S),
        timeUnit: `${PER_S}s`,
        preAllocatedVUs: Math.min(users, number('READY', Math.ceil(users / 4))),
        maxVUs: users,
        stages,
        gracefulStop: settings.timeout,
      },
    },
    noConnectionReuse: __ENV.REUSE !== 'on',
    discardResponseBodies: true,
    thresholds: {
      http_req_duration: [`p(95)<${settings.soft_ms}`],
      http_req_failed: [`rate<${settings.failed}`],
      dropped_iterations: ['count<1'],
    },
    summaryTrendStats: ['min', 'med', 'avg', 'p(95)', 'p(99)', 'max'],
  };
}

export function request() {
  const answer = http.get(settings.target, { timeout: settings.timeout });
  check(answer, { 'status is 200': (r) => r.status === 200 });
  return answer;
}

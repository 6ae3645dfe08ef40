/*
 * The program that posts an alert: reads { url, body } on stdin, exits with 0 when the answer was 200 to 299, else says why not
 * and exits with 1. A process of its own, since Node's network code would stay in the monitor's memory:
 * docs/decisions/0012-webhooks-are-posted-by-a-process-of-their-own.md.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../platform/clock.js';
import { programVersion } from '../../platform/version.js';

/** Whoever started it kills it then; this is for one whose starter is gone. */
const AT_MOST_MS = 10_000;

/** Never says more of the address than its host: a secret may stand in any other part. */
function post(url: URL, body: string): Promise<string | null> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': `dogged/${programVersion()}`,
    };
    request(url, { method: 'POST', agent: false, headers })
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.message || String(error.code)))
      .on('response', ({ statusCode = 0 }) => resolve(whyRefused(statusCode)))
      .end(body);
  });
}

function whyRefused(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status < 300 || status >= 400) return `it answered ${status}`;
  return `it answered ${status}: redirects are not followed, give the address to which it leads`;
}

systemClock.after(AT_MOST_MS, () => process.exit(1), { background: true });
const { url, body } = JSON.parse(await text(process.stdin)) as { url: string; body: object };
const failure = await post(new URL(url), JSON.stringify(body));
if (failure !== null) process.stdout.write(failure);
process.exitCode = failure === null ? 0 : 1;
// The answer's body is not waited for.
setImmediate(() => process.exit());

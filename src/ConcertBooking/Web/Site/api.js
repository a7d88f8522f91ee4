// Calls of the public API: problems as exceptions, repeats while the network or the service is away, the server's clock.

export const service = JSON.parse(document.querySelector('meta[name=service]').content);

/** A refusal of the API, with its stable code. */
export class Problem extends Error {
  constructor(status, body, headers) {
    super(body?.code ?? `status ${status}`);
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.seatNos = body?.seatNos ?? [];
    this.errors = body?.errors ?? {};
    this.retryAfter = Number(headers.get('Retry-After')) || null;
    this.challenge = headers.get('Proof-Of-Work-Challenge');
  }
}

/** Fires `change` when the service can be reached again or no longer. */
export const connection = new EventTarget();
let reachable = true;

export const isReachable = () => reachable;

/** What a stream has noticed: it connected, or lost its connection. */
export function setReachable(value) {
  if (reachable !== value) {
    reachable = value;
    connection.dispatchEvent(new Event('change'));
  }
}

window.addEventListener('offline', () => setReachable(false));

// Holds end by the server's clock. Its answers say what that is, to the second; a smaller difference is the network's.
let clockOffset = 0;

export const now = () => Date.now() + clockOffset;

function readClock(response) {
  const date = Date.parse(response.headers.get('Date') ?? '');
  const offset = date + 500 - Date.now();
  if (Number.isFinite(offset)) {
    clockOffset = Math.abs(offset) < 2000 ? 0 : offset;
  }
}

const timeLimit = 10_000;
const silenceLimit = 45_000; // of a stream, which sends a comment every few seconds
const busyRepeats = 6;

/** A key that no other request has. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
}

function wait(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      signal?.removeEventListener('abort', end);
      signal?.aborted ? reject(new DOMException('', 'AbortError')) : resolve();
    };
    const timer = setTimeout(end, milliseconds);
    window.addEventListener('online', end);
    signal?.addEventListener('abort', end);
  });
}

/**
 * One call. A request that may be repeated is, with the same key: without end while nothing answers, and a few times while the
 * service says 503 or 429. `repeatable: false` is for calls that are not: they throw a TypeError when nothing answers.
 * @returns {{status: number, body: any, etag: string|null}} body and etag are null for 204 and 304.
 */
export async function call(method, path, { body, access, queue, key, etag, proof, signal, repeatable = true } = {}) {
  const headers = { Accept: 'application/json' };
  const set = (name, value) => value && (headers[name] = value);
  set('Content-Type', body !== undefined && 'application/json');
  set('Authorization', access && `Bearer ${access}`);
  set('Queue-Token', queue);
  set('Idempotency-Key', key);
  set('If-None-Match', etag);
  set('Proof-Of-Work', proof);
  for (let attempt = 1; ; attempt++) {
    let response, text;
    try {
      const limit = AbortSignal.timeout(timeLimit);
      response = await fetch(path, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store',
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) {
        throw error;
      }

      setReachable(false);
      if (!repeatable) {
        throw error;
      }

      await wait(Math.min(5000, 300 * 2 ** Math.min(attempt, 5)), signal);
      continue;
    }

    setReachable(true);
    readClock(response);
    if (response.ok || response.status === 304) {
      return { status: response.status, body: text ? JSON.parse(text) : null, etag: response.headers.get('ETag') };
    }

    const problem = new Problem(response.status, problemOf(text), response.headers);
    // After a 503 it may have been done all the same.
    const busy = problem.status === 429 || repeatable && (problem.status === 503 || problem.code === 'idempotency_key_in_use');
    if (!busy || attempt >= busyRepeats || (problem.retryAfter ?? 1) > 10) {
      throw problem;
    }

    await wait((problem.retryAfter ?? 1) * 1000 * (1 + Math.random() / 4), signal);
  }
}

// A proxy in front may answer with a page of its own.
function problemOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// A connection that a sleeping phone has lost reports no error: it is only silent.
function withinTime(promise, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TypeError('The stream is silent.')), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Server-sent events of a request that needs a header, which EventSource cannot send. Ends when the stream does. */
export async function* events(path, headers, signal) {
  const response = await fetch(path, { headers: { Accept: 'text/event-stream', ...headers }, cache: 'no-store', signal });
  if (!response.ok) {
    throw new Problem(response.status, problemOf(await response.text()), response.headers);
  }

  setReachable(true);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await withinTime(reader.read(), silenceLimit);
    if (done) {
      return;
    }

    const messages = (rest + value).split('\n\n');
    rest = messages.pop();
    for (const message of messages) {
      const lines = message.split('\n');
      const field = name => lines.filter(line => line.startsWith(`${name}:`)).map(line => line.slice(name.length + 1).trim()).join('\n');
      if (field('data')) {
        yield { name: field('event') || 'message', data: JSON.parse(field('data')) };
      }
    }
  }
}

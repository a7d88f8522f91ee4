// The place in the waiting room: entered once, kept over reloads, watched by a stream or, where that fails, by polling.
import { call, events, Problem } from './api.js';
import { asUser } from './session.js';
import { pause } from './dom.js';
import { solve } from './proof.js';

const slot = queue => `cb.queue.${queue}`;

/** The newest token of a queue, or null. */
export const tokenOf = queue => sessionStorage.getItem(slot(queue));

export const forget = queue => sessionStorage.removeItem(slot(queue));

function keep(place) {
  sessionStorage.setItem(slot(place.queue), place.token);
  return place;
}

/** Enters; who is in line already, also in another tab, has the same place again. */
export async function enter(queue, signal) {
  const request = { body: { queue }, signal };
  try {
    return keep((await asUser('POST', '/v1/queue/tokens', request)).body);
  } catch (error) {
    if (error.code !== 'proof_of_work_needed') {
      throw error;
    }

    const proof = await solve(error.challenge, signal);
    return keep((await asUser('POST', '/v1/queue/tokens', { ...request, proof })).body);
  }
}

/** Where one stands; null without a token, or when the place has ended. */
export async function look(queue, signal) {
  const token = tokenOf(queue);
  if (!token) {
    return null;
  }

  try {
    return keep((await call('GET', '/v1/queue/tokens/current', { queue: token, signal })).body);
  } catch (error) {
    if (error instanceof Problem && ['queue_token_expired', 'queue_token_invalid'].includes(error.code)) {
      forget(queue);
      return null;
    }

    throw error;
  }
}

export async function leave(queue) {
  const token = tokenOf(queue);
  forget(queue);
  if (token) {
    await call('DELETE', '/v1/queue/tokens/current', { queue: token }).catch(() => {}); // the place ends by itself
  }
}

/** A token to hold or pay with: the one kept, else of a new entry. */
export async function token(queue, signal) {
  return tokenOf(queue) ?? (await enter(queue, signal)).token;
}

/** Aborts with the other signal, and when the page is shown again after a while: a stream of before may be dead without a word. */
function untilWoken(signal) {
  const woken = new AbortController();
  let hiddenAt = null;
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') {
      hiddenAt = Date.now();
    } else if (hiddenAt && Date.now() - hiddenAt > 5000) {
      woken.abort();
    }
  }, { signal: AbortSignal.any([signal, woken.signal]) });
  return AbortSignal.any([signal, woken.signal]);
}

/** Calls back with every new place until admitted or, with null, ended. */
export async function watch(queue, onPlace, signal) {
  let streams = true;
  while (!signal.aborted) {
    const place = await look(queue, signal);
    onPlace(place);
    if (!place || place.status === 'ACTIVE') {
      return;
    }

    if (streams && document.visibilityState === 'visible') {
      const awake = untilWoken(signal);
      try {
        for await (const event of events('/v1/queue/tokens/current/events', { 'Queue-Token': place.token }, awake)) {
          if (event.name === 'position' || event.name === 'active') {
            onPlace(keep(event.data));
          }

          streams = event.name !== 'closed'; // other tabs of this user watch: this one polls
        }
      } catch (error) {
        if (signal.aborted) {
          return;
        }

        streams = !(error instanceof Problem);
      }
    }

    const current = await look(queue, signal);
    if (current?.status === 'WAITING') {
      onPlace(current);
      await pause(streams ? 500 : current.pollAfterMs, signal, [[document, 'visibilitychange']]);
    }
  }
}

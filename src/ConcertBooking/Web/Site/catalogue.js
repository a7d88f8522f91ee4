// Reads of the public catalogue. An answer that has not changed (304) keeps the object of before.
import { call } from './api.js';

const kept = new Map();

export async function read(path, signal) {
  const before = kept.get(path);
  const answer = await call('GET', path, { etag: before?.etag, signal });
  if (answer.status === 304) {
    return before.body;
  }

  kept.set(path, { etag: answer.etag, body: answer.body });
  return answer.body;
}

export const concerts = (cursor, signal) => read(`/v1/concerts?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, signal);

export const schedules = (concertId, signal) => read(`/v1/concerts/${concertId}/schedules`, signal);

export const plan = (scheduleId, signal) => read(`/v1/schedules/${scheduleId}/plan`, signal);

/** The queue of a concert. Only the list of concerts names it, so pages of it are read until the concert is there. */
export async function queueOf(concertId, signal) {
  let cursor = null;
  do {
    const page = await read(`/v1/concerts?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, signal);
    const concert = page.items.find(item => item.concertId === concertId);
    if (concert) {
      return concert.queue;
    }

    cursor = page.nextCursor;
  } while (cursor);
  return 'main';
}

// Who is buying. Access tokens are kept in memory only; what a reload needs to go on is in sessionStorage.
import { call, Problem, service, newKey } from './api.js';

const openid = () => import('./openid.js');

export const session = new EventTarget();
let accessToken = null;
let userName = null;

const changed = () => session.dispatchEvent(new Event('change'));

/** How people sign in here: `dev`, `openid`, or null where this is not set up. */
export const signInWay = service.devSignIn ? 'dev' : service.authority && service.clientId ? 'openid' : null;

/** The signed-in user's name, or null. In development it is the number of the user, which all tabs share. */
export const user = () => signInWay === 'dev' ? localStorage.getItem('cb.user') : userName ?? sessionStorage.getItem('cb.signed-in');

/** At the start of the page: completes a sign-in that comes back from the issuer. */
export async function start() {
  if (signInWay === 'openid' && new URLSearchParams(location.search).has('state')) {
    const tokens = await (await openid()).complete();
    if (tokens) {
      keep(tokens);
    } else {
      sessionStorage.removeItem('cb.signed-in'); // or the page would leave for the issuer again, and again
    }
  }
}

function keep(tokens) {
  accessToken = tokens.accessToken;
  userName = tokens.name;
  sessionStorage.setItem('cb.signed-in', userName);
  changed();
}

/** Development: signs in as any user, and with the role admin; when it is done anew, as before. */
export async function signInAs(userId, admin = Boolean(sessionStorage.getItem('cb.admin'))) {
  const { body } = await call('POST', '/dev/sign-in', { body: { userId, admin } });
  if (String(userId) !== localStorage.getItem('cb.user')) {
    forgetPlaces();
  }

  sessionStorage.setItem('cb.admin', admin ? 'admin' : '');

  localStorage.setItem('cb.user', String(userId));
  accessToken = body.accessToken;
  changed();
}

/** Leaves for the issuer's page; it comes back to the same place of this page. */
export const signInAtIssuer = async () => (await openid()).begin();

export function signOut() {
  accessToken = userName = null;
  localStorage.removeItem('cb.user');
  sessionStorage.clear();
  changed();
}

function forgetPlaces() {
  Object.keys(sessionStorage).filter(key => key.startsWith('cb.')).forEach(key => sessionStorage.removeItem(key));
}

/** Thrown when somebody must sign in first. */
export class SignInNeeded extends Error {}

async function renewToken() {
  const known = user();
  if (signInWay === 'dev' && known) {
    await signInAs(Number(known));
  } else if (signInWay === 'openid' && known) {
    const { begin, renew } = await openid();
    const tokens = await renew();
    if (tokens) {
      keep(tokens);
    } else {
      await begin(); // the issuer knows this browser and comes straight back
    }
  } else {
    throw new SignInNeeded();
  }
}

/** A call as the signed-in user: an expired token is renewed once, and the call repeated with the same key. */
export async function asUser(method, path, options = {}) {
  if (!accessToken) {
    await renewToken();
  }

  try {
    return await call(method, path, { ...options, access: accessToken });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'unauthorized') {
      throw error;
    }

    accessToken = null;
    await renewToken();
    return call(method, path, { ...options, access: accessToken });
  }
}

// A second tab of another user signs this one over too.
window.addEventListener('storage', event => {
  if (event.key === 'cb.user') {
    accessToken = null;
    forgetPlaces();
    session.dispatchEvent(new Event('other-user'));
  }
});

/** A key kept until its request is answered: after a reload the same request is made with it, not a second one. */
export function pendingKey(name) {
  const stored = sessionStorage.getItem(`cb.key.${name}`) ?? newKey();
  sessionStorage.setItem(`cb.key.${name}`, stored);
  return stored;
}

export const answered = name => sessionStorage.removeItem(`cb.key.${name}`);

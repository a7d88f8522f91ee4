// Signing in at an OpenID Connect issuer: code flow with PKCE (RFC 7636), as a public client. Tokens are returned, never stored.
import { service } from './api.js';

const kept = 'cb.openid';
let refreshToken = null;

// The booking page or the console: the issuer comes back to the page that it was left from.
const redirectUri = () => location.origin + location.pathname;

const base64url = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function discover() {
  const response = await fetch(`${service.authority.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (!response.ok) {
    throw new Error('The issuer does not answer.');
  }

  return response.json();
}

/** Leaves this page for the issuer's. */
export async function begin() {
  const issuer = await discover();
  const [state, nonce, verifier] = [random(), random(), random()];
  sessionStorage.setItem(kept, JSON.stringify({ state, nonce, verifier, place: location.hash }));
  const challenge = base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)));
  const url = new URL(issuer.authorization_endpoint);
  for (const [name, value] of Object.entries({
    response_type: 'code', client_id: service.clientId, redirect_uri: redirectUri(), scope: 'openid profile', state, nonce,
    code_challenge: challenge, code_challenge_method: 'S256',
  })) {
    url.searchParams.set(name, value);
  }

  location.assign(url);
  await new Promise(() => {}); // nothing goes on here: the page is being left
}

/**
 * The address has an answer of the issuer: checks it against what was asked, and exchanges the code for tokens.
 * @returns false when it is not good
 */
export async function complete() {
  const answer = new URLSearchParams(location.search);
  const asked = JSON.parse(sessionStorage.getItem(kept) ?? 'null');
  sessionStorage.removeItem(kept);
  // The code must not stay in the address or its history.
  history.replaceState(null, '', location.pathname + (asked?.place ?? location.hash));
  if (!asked || answer.get('state') !== asked.state || !answer.has('code')) {
    return false;
  }

  const tokens = await exchange({
    grant_type: 'authorization_code', code: answer.get('code'), redirect_uri: redirectUri(), code_verifier: asked.verifier,
  });
  return tokens && claims(tokens.idToken)?.nonce === asked.nonce ? tokens : false;
}

/** New tokens without leaving the page, where the issuer gave a refresh token; null where it did not. */
export const renew = () => refreshToken ? exchange({ grant_type: 'refresh_token', refresh_token: refreshToken }) : null;

async function exchange(parameters) {
  const { token_endpoint: endpoint } = await discover();
  const response = await fetch(endpoint, { method: 'POST', body: new URLSearchParams({ client_id: service.clientId, ...parameters }) });
  if (!response.ok) {
    refreshToken = null;
    return null;
  }

  const body = await response.json();
  refreshToken = body.refresh_token ?? refreshToken;
  const identity = claims(body.id_token);
  return {
    accessToken: body.access_token, idToken: body.id_token,
    name: identity?.name ?? identity?.preferred_username ?? identity?.email ?? identity?.sub ?? '',
  };
}

// Not verified: it came from the token endpoint itself. The API verifies the access token.
function claims(jwt) {
  try {
    const bytes = Uint8Array.from(atob(jwt.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), text => text.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

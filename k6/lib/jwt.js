import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import { audience, issuer, signingKey } from './settings.js';

const LIFE_SECONDS = 3600;
const head = encoding.b64encode(JSON.stringify({ alg: 'HS256', typ: 'JWT' }), 'rawurl');

/** An access token as the service's issuer would sign it; the role is admin, cashier or none. */
export function accessToken(userId, role) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: String(userId), iat: now, exp: now + LIFE_SECONDS };
  if (role) claims.role = role;
  if (issuer) claims.iss = issuer;
  if (audience) claims.aud = audience;
  const signed = `${head}.${encoding.b64encode(JSON.stringify(claims), 'rawurl')}`;
  return `${signed}.${crypto.hmac('sha256', signingKey, signed, 'base64rawurl')}`;
}

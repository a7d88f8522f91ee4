// What the tests read from the environment.
//   BASE_URL          the service (http://127.0.0.1:8080)
//   AUTH_SIGNING_KEY  its Auth__SigningKey: the tests sign their own access tokens
//   AUTH_ISSUER, AUTH_AUDIENCE   when the service checks them
//   PROFILE           full, or ci: about half a minute each
//   SUMMARY_DIR       where each test leaves its summary (.)

export const baseUrl = __ENV.BASE_URL || 'http://127.0.0.1:8080';
export const signingKey = __ENV.AUTH_SIGNING_KEY;
export const issuer = __ENV.AUTH_ISSUER;
export const audience = __ENV.AUTH_AUDIENCE;
export const ci = __ENV.PROFILE === 'ci';
export const summaryDir = __ENV.SUMMARY_DIR || '.';

if (!signingKey) throw new Error('AUTH_SIGNING_KEY is missing: give the Auth__SigningKey of the service');

/** The value for this profile. */
export const either = (full, short) => (ci ? short : full);

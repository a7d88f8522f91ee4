// SHA-256 (FIPS 180-4) of short texts, many times: the platform's own is asynchronous, and each call would cost far more than the hash.

/** The first 32 bits of the fractional parts of a root of the first primes, exactly, which is how the standard defines its constants. */
function fractions(count, root) {
  const primes = [];
  for (let candidate = 2; primes.length < count; candidate++) {
    if (primes.every(prime => candidate % prime !== 0)) {
      primes.push(candidate);
    }
  }

  return Int32Array.from(primes, prime => {
    const value = root(prime);
    return Math.floor((value - Math.floor(value)) * 2 ** 32);
  });
}

const round = fractions(64, Math.cbrt);
const initial = fractions(8, Math.sqrt);
const words = new Int32Array(64);

const turn = (value, bits) => (value >>> bits) | (value << (32 - bits));

function compress(state, block, offset) {
  for (let index = 0; index < 64; index++) {
    if (index < 16) {
      words[index] = block.getInt32(offset + index * 4);
    } else {
      const [a, b] = [words[index - 15], words[index - 2]];
      const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
      const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      words[index] = words[index - 16] + s0 + words[index - 7] + s1;
    }
  }

  let [a, b, c, d, e, f, g, i] = state;
  for (let index = 0; index < 64; index++) {
    const first = i + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + round[index] + words[index] | 0;
    const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)) | 0;
    i = g; g = f; f = e; e = d + first | 0; d = c; c = b; b = a; a = first + second | 0;
  }

  [a, b, c, d, e, f, g, i].forEach((value, index) => { state[index] += value; });
}

/** How many zero bits the hash of an ASCII text begins with, up to 32. */
function zeroBits(text) {
  const blocks = Math.ceil((text.length + 9) / 64);
  const bytes = new Uint8Array(blocks * 64);
  for (let index = 0; index < text.length; index++) {
    bytes[index] = text.charCodeAt(index);
  }

  bytes[text.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(bytes.length - 4, text.length * 8);
  const state = Int32Array.from(initial);
  for (let block = 0; block < blocks; block++) {
    compress(state, view, block * 64);
  }

  return Math.clz32(state[0]);
}

onmessage = event => {
  const challenge = event.data;
  const bits = atob(challenge.slice(0, 4).replace(/-/g, '+').replace(/_/g, '/')).charCodeAt(0);
  let answer = 0;
  while (zeroBits(`${challenge}:${answer}`) < bits) {
    answer++;
  }

  postMessage(`${challenge}:${answer}`);
};

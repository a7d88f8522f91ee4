// Proof of work for entering a queue that asks for it, in a worker so that the page stays responsive.

/** The answer to a challenge: `challenge:number` whose SHA-256 begins with as many zero bits as the challenge's first byte says. */
export function solve(challenge, signal) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./proof-worker.js', import.meta.url), { type: 'module' });
    const stop = () => {
      worker.terminate();
      reject(new DOMException('', 'AbortError'));
    };
    signal?.addEventListener('abort', stop);
    worker.onmessage = event => {
      signal?.removeEventListener('abort', stop);
      worker.terminate();
      resolve(event.data);
    };
    worker.onerror = () => reject(new Error('The proof of work failed.'));
    worker.postMessage(challenge);
  });
}

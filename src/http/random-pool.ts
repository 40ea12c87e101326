// Random bytes, fetched from the system many at a time: one call for each id would be a twentieth of a request's time.
const POOL_BYTES = 4_096;

export type RandomBytes = (size: number) => Buffer;

/** Every byte is given out once. For sizes far below the pool's. */
export function createRandomPool(randomBytes: RandomBytes): RandomBytes {
  let pool: Buffer = Buffer.alloc(0);
  return (size) => {
    if (pool.length < size) pool = randomBytes(POOL_BYTES);
    const taken = pool.subarray(0, size);
    pool = pool.subarray(size);
    return taken;
  };
}

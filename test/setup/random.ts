/**
 * Property tests look at the same cases each time, so that a run that fails does so for what was changed. `VMSIFT_SEED=new` looks at others,
 * and a number at those of that seed, which a failing test prints.
 */
import fc from 'fast-check'

const given = process.env.VMSIFT_SEED ?? '1'
const seed = given === 'new' ? Date.now() & 0x7fffffff : Number(given)
if (!Number.isSafeInteger(seed)) throw new Error(`VMSIFT_SEED=${given}: a number, or new`)
fc.configureGlobal({ seed })

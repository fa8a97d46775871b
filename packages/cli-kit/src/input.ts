export { closest, didYouMean } from './parse/did-you-mean.ts'
export { readSecretLine, readToken } from './parse/read-secret.ts'

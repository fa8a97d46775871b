/** The generated stubs, one namespace per contract. */
export * as ca from './gen/muster/ca/v1/ca.ts'
export * as registration from './gen/muster/registration/v1/registration.ts'
export * as token from './gen/muster/token/v1/token.ts'
export * from './descriptors.ts'

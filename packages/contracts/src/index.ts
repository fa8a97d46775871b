/** The generated stubs, one namespace per contract file. */
export * as audit from './gen/muster/audit/v1/audit.ts'
export * as bans from './gen/muster/registration/v1/bans.ts'
export * as bots from './gen/muster/registration/v1/bots.ts'
export * as ca from './gen/muster/ca/v1/ca.ts'
export * as confirmations from './gen/muster/registration/v1/confirmations.ts'
export * as registration from './gen/muster/registration/v1/registration.ts'
export * as token from './gen/muster/token/v1/token.ts'
export * as users from './gen/muster/registration/v1/users.ts'
/** google.rpc: the standard messages for the details of an error. */
export * as errorDetails from './gen/google/rpc/error_details.ts'
export * as rpcStatus from './gen/google/rpc/status.ts'
export * from './descriptors.ts'

import { z } from 'zod'

const time = z.iso.datetime()
/** A ban or a lock. */
const ban = z.strictObject({ banned_at: time.nullable(), until: time.nullable(), by: z.string(), reason: z.string() })
const labels = z.record(z.string(), z.string())
const tokenId = z.string().regex(/^[a-z2-7]{10}$/)

/** A token as `tokens ls` prints it. */
export const tokenSchema = z.strictObject({
  id: tokenId,
  type: z.enum(['join', 'signup', 'static', 'unknown']),
  state: z.enum(['live', 'expired', 'used_up', 'revoked', 'unknown']),
  name: z.string().nullable(),
  roles: z.array(z.string()),
  labels,
  description: z.string(),
  bot_name: z.string().nullable(),
  user_name: z.string().nullable(),
  max_uses: z.int().nullable(),
  uses: z.int(),
  uses_left: z.int().nullable(),
  allow_cidrs: z.array(z.string()),
  allow_hostnames: z.array(z.string()),
  node_labels: labels,
  created_by: z.string(),
  created_at: time.nullable(),
  expires_at: time.nullable(),
  revoked_at: time.nullable(),
})

/** The output for a new join token. */
export const newTokenSchema = tokenSchema.extend({
  token: z.string(),
  invitation: z.string().startsWith('muster://'),
  ca_pins: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).min(1),
  auth_server: z.string(),
})

const machine = z.strictObject({
  id: z.uuid(),
  hostname: z.string(),
  address: z.string(),
  joined_at: time.nullable(),
  status: z.string(),
})

/** A token as `tokens show` prints it. */
export const shownTokenSchema = tokenSchema.extend({
  nodes: z.array(machine),
  bots: z.array(machine.extend({ name: z.string() })),
  people: z.array(z.strictObject({ name: z.string(), address: z.string().nullable(), signed_up_at: time.nullable() })),
})

/** A token that `tokens rm` removed. */
export const removedTokenSchema = z.strictObject({ id: tokenId, deleted: z.literal(true) })

/** A node as `nodes ls` prints it. */
export const nodeSchema = z.strictObject({
  id: z.uuid(),
  hostname: z.string(),
  status: z.enum(['pending', 'online', 'offline', 'expired', 'unknown', 'banned', 'cloned']),
  last_seen_at: time.nullable(),
  public_address: z.string(),
  remote_address: z.string(),
  roles: z.array(z.string()),
  labels,
  version: z.string(),
  outdated: z.boolean(),
  os: z.string(),
  token_id: z.string(),
  joined_at: time.nullable(),
  certificate_expires_at: time.nullable(),
  ban: ban.nullable(),
  clone: z.strictObject({ found_at: time.nullable(), remote_addresses: z.array(z.string()) }).nullable(),
})

/** A node that `nodes rm` removed. */
export const removedNodeSchema = z.strictObject({ id: z.uuid(), hostname: z.string(), deleted: z.literal(true) })

/** An instance of a bot as `bots ls` prints it. */
export const botSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  state: z.enum(['active', 'expired', 'locked', 'banned', 'unknown']),
  generation: z.int(),
  hostname: z.string(),
  remote_address: z.string(),
  token_id: z.string(),
  joined_at: time.nullable(),
  renewed_at: time.nullable(),
  certificate_expires_at: time.nullable(),
  locked_at: time.nullable(),
  locked_from: z.string().nullable(),
  ban: ban.nullable(),
})

/** A bot that `bots rm` removed. */
export const removedBotSchema = removedNodeSchema.extend({ name: z.string() })

/** A person as `users ls` prints them. */
export const userSchema = z.strictObject({
  name: z.string(),
  roles: z.array(z.enum(['viewer', 'operator', 'admin'])).min(1),
  state: z.enum(['invited', 'active', 'expired', 'locked', 'unknown']),
  created_by: z.string(),
  created_at: time.nullable(),
  signed_up_at: time.nullable(),
  last_seen_at: time.nullable(),
  session_expires_at: time.nullable(),
  certificate_expires_at: time.nullable(),
  lock: ban.nullable(),
})

/** The output for a new signup token. */
export const newSignupSchema = userSchema.extend({
  token: z.string(),
  token_id: tokenId,
  ca_pins: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).min(1),
  auth_server: z.string(),
})

export const removedUserSchema = z.strictObject({ name: z.string(), deleted: z.literal(true) })

/** An identity as `login` prints it. */
export const identitySchema = z.strictObject({
  name: z.string(),
  roles: z.array(z.enum(['viewer', 'operator', 'admin'])).min(1),
  break_glass: z.boolean(),
  cluster_name: z.string(),
  auth_server: z.string(),
  certificate_expires_at: time,
  session_expires_at: time.nullable(),
  folder: z.string().startsWith('/'),
})

export const whoamiSchema = identitySchema.extend({ found_by: z.string() })

export const loggedInSchema = identitySchema.extend({ current: z.boolean() })

export const usedClusterSchema = z.strictObject({ cluster_name: z.string(), previous: z.string().nullable() })

export const loggedOutSchema = z.strictObject({
  cluster_name: z.string(),
  name: z.string().nullable(),
  folder: z.string().startsWith('/'),
})

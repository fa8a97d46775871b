import { users } from '@muster/contracts'
import { callersOf } from '@muster/domain'
import { newcomers, bindService, type BoundService, operators, services } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { lockUser, unlockUser } from '../bans/lock-user.ts'
import { checkOperator } from './check-operator.ts'
import { createUser } from './create-user.ts'
import { listUsers } from './list-users.ts'
import { removeUser } from './remove-user.ts'
import { renewUser } from './renew-user.ts'
import { resetUser } from './reset-user.ts'
import { signup } from './signup.ts'
import { updateUser } from './update-user.ts'

/** Every RPC about people: who may call it, and which handler serves it. */
export function userService(deps: Deps): BoundService {
  return bindService(users.UserServiceService, {
    createUser: { callers: operators('admin'), handle: createUser(deps) },
    listUsers: { callers: operators('viewer'), handle: listUsers(deps) },
    updateUser: { callers: operators('admin'), handle: updateUser(deps) },
    resetUser: { callers: operators('admin'), handle: resetUser(deps) },
    removeUser: { callers: operators('admin'), handle: removeUser(deps) },
    lockUser: { callers: operators('admin'), handle: lockUser(deps) },
    unlockUser: { callers: operators('admin'), handle: unlockUser(deps) },
    signup: { callers: newcomers, handle: signup(deps) },
    renewUser: { callers: operators('viewer'), handle: renewUser(deps) },
    checkOperator: { callers: services(...callersOf('registration-service')), handle: checkOperator(deps) },
  })
}

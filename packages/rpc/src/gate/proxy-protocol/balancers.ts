import { BlockList, isIP } from 'node:net'

/** The networks whose connections begin with a PROXY header. */
export class Balancers {
  readonly #networks = new BlockList()
  readonly #isEmpty: boolean

  /** `networks` are in CIDR notation. */
  constructor(networks: readonly string[]) {
    this.#isEmpty = networks.length === 0
    for (const network of networks) {
      const [address = '', bits] = network.split('/')
      this.#networks.addSubnet(address, Number(bits), familyOf(address))
    }
  }

  /** Whether a balancer has this address. */
  has(address: string): boolean {
    if (this.#isEmpty) return false
    const unzoned = address.replace(/%.*$/, '')
    return this.#networks.check(unzoned, familyOf(unzoned))
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}

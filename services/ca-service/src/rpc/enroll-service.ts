import { createHash, timingSafeEqual } from 'node:crypto'
import {
  ENROLLING_SERVICES,
  type EnrollingService,
  enrolTokenVariable,
  findService,
  invalid,
  parseDnsName,
  refusal,
  type ServiceName,
} from '@muster/domain'
import { parseCsr } from '@muster/pki'
import { pkiField, type UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import type { Deps } from '../deps.ts'
import { issueServiceCertificate } from '../issuing/service-certificate.ts'

const MAX_DNS_NAMES = 13

/**
 * Gives a service that holds its enrolment token its first identity. Each service has its own token, so an attacker who
 * takes the host of one service cannot pose as another. Safe to repeat; each call issues a certificate.
 */
export function enrollService(deps: Deps): UnaryHandler<ca.EnrollServiceRequest, ca.EnrollServiceResponse> {
  return async (request, { remoteAddress }) => {
    const { config, refusals } = deps
    const name = parseServiceName(request.serviceName)
    const expected = config[enrolTokenVariable(name)]
    // An optional service without a token in the configuration cannot enrol.
    if (expected === '' || !sameSecret(request.token, expected)) {
      const reason = 'TOKEN_UNKNOWN'
      const details = { service: name }
      await refusals.record({ action: 'service.enroll', actor: 'anonymous', remoteAddress, reason, details })
      throw refusal(reason, `this is not the enrolment token of ${name}`)
    }
    const dnsNames = serviceDnsNames(name, config.MUSTER_CLUSTER_NAME, request.dnsNames)
    const { publicKeyDer } = pkiField('csr_der', () => parseCsr(request.csrDer))
    return issueServiceCertificate(deps, {
      action: 'service.enroll',
      actor: 'anonymous',
      remoteAddress,
      name,
      roles: ['auth'],
      dnsNames,
      publicKeyDer,
    })
  }
}

/**
 * The DNS names of a service's certificate: its own, then those it asks for.
 * @throws invalidArgument for a name in the cluster's own zone, which belongs to another member
 */
export function serviceDnsNames(name: ServiceName, clusterName: string, asked: readonly string[]): string[] {
  if (asked.length > MAX_DNS_NAMES) throw invalid('dns_names', `at most ${MAX_DNS_NAMES} are allowed`)
  const own = [name, `${name}.${clusterName}`]
  const others = asked.map((dns) => parseDnsName(dns, 'dns_names')).filter((dns) => !own.includes(dns))
  if (others.some((dns) => findService(dns) !== undefined || `.${dns}`.endsWith(`.${clusterName}`))) {
    throw invalid('dns_names', 'holds a name that belongs to another member of the cluster')
  }
  return [...new Set([...own, ...others])]
}

function parseServiceName(value: string): EnrollingService {
  const name = ENROLLING_SERVICES.find((known) => known === value)
  if (name === undefined) throw invalid('service_name', `must be ${ENROLLING_SERVICES.join(' or ')}`)
  return name
}

// timingSafeEqual needs two values of the same length. Hashing gives that, and does not leak the lengths of the secrets.
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

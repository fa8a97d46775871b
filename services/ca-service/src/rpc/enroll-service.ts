import { createHash, timingSafeEqual } from 'node:crypto'
import { AppError, invalid, parseDnsName, SERVICE_NAMES, type ServiceName } from '@muster/domain'
import { parseCsr } from '@muster/pki'
import { pkiField, type UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import type { Deps } from '../deps.ts'
import { issueServiceCertificate } from '../issuing/service-certificate.ts'
import { trustBundle } from './trust-bundle.ts'

const MAX_DNS_NAMES = 13

/**
 * Gives a service that holds its enrolment token its first identity. Each service has a token of its own, so whoever takes
 * one service's host cannot pose as another. Safe to repeat; each call issues a certificate.
 */
export function enrollService(deps: Deps): UnaryHandler<ca.EnrollServiceRequest, ca.EnrollServiceResponse> {
  return async (request, { remoteAddress }) => {
    const { config, refusals } = deps
    const name = parseServiceName(request.serviceName)
    const expected = {
      'token-service': config.MUSTER_TOKEN_SERVICE_ENROLL_TOKEN_FILE,
      'registration-service': config.MUSTER_REGISTRATION_SERVICE_ENROLL_TOKEN_FILE,
    }[name]
    if (!sameSecret(request.token, expected)) {
      const reason = 'TOKEN_UNKNOWN'
      const details = { service: name }
      await refusals.record({ action: 'service.enroll', actor: 'anonymous', remoteAddress, reason, details })
      throw new AppError('permissionDenied', `this is not the enrolment token of ${name}`, { reason })
    }
    const dnsNames = serviceDnsNames(name, config.MUSTER_CLUSTER_NAME, request.dnsNames)
    const { publicKeyDer } = pkiField('csr_der', () => parseCsr(request.csrDer))
    const certificate = await issueServiceCertificate(deps, {
      action: 'service.enroll',
      actor: 'anonymous',
      remoteAddress,
      name,
      roles: ['auth'],
      dnsNames,
      publicKeyDer,
    })
    return { certificate, trustBundle: trustBundle(deps.authorities(), config.MUSTER_CLUSTER_NAME) }
  }
}

/** A service's own names, then those it asks for, save what lies in the cluster's own zone and so belongs to others. */
export function serviceDnsNames(name: ServiceName, clusterName: string, asked: readonly string[]): string[] {
  if (asked.length > MAX_DNS_NAMES) throw invalid('dns_names', `at most ${MAX_DNS_NAMES} are allowed`)
  const own = [name, `${name}.${clusterName}`]
  const others = asked.map((dns) => parseDnsName(dns, 'dns_names')).filter((dns) => !own.includes(dns))
  if (others.some((dns) => SERVICE_NAMES.some((service) => service === dns) || `.${dns}`.endsWith(`.${clusterName}`))) {
    throw invalid('dns_names', 'holds a name that belongs to another member of the cluster')
  }
  return [...new Set([...own, ...others])]
}

type EnrollingService = Exclude<ServiceName, 'ca-service'>

function parseServiceName(value: string): EnrollingService {
  if (value === 'token-service' || value === 'registration-service') return value
  throw invalid('service_name', 'must be token-service or registration-service')
}

// Hashing first gives both sides one length, which timingSafeEqual needs, and leaks nothing of either.
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

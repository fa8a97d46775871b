/** The services of the control plane by name; the name is the last part of each one's SPIFFE id. */
export const SERVICE_NAMES = ['token-service', 'ca-service', 'registration-service'] as const
export type ServiceName = (typeof SERVICE_NAMES)[number]

export { settlePorts } from './addresses.ts'
export { startControlPlane, type ControlPlane, type ControlPlaneOptions } from './control-plane.ts'
export { prepareDatabase } from './databases.ts'
export { programFile, startService, type ServiceProcess } from './service-process.ts'

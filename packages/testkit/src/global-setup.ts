// oxlint-disable-next-line import/no-default-export -- jest asks for one
export { startGlobalStores as default } from './global-stores.ts'

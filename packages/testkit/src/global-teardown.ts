// oxlint-disable-next-line import/no-default-export -- jest asks for one
export { stopGlobalStores as default } from './global-stores.ts'

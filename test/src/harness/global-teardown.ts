// oxlint-disable-next-line import/no-default-export -- jest asks for one
export { stop as default } from './global-setup.ts'

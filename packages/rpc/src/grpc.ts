import { createRequire } from 'node:module'
import type * as Grpc from '@grpc/grpc-js'

// By require: to import CommonJS, Node 20 first loads a lexer, which takes as long as grpc-js itself. Every start of
// musterctl would wait for it. See docs/decisions/0019-musterctl-starts-quickly.md.
const grpc = createRequire(import.meta.url)('@grpc/grpc-js') as typeof Grpc

export const {
  CallCredentials,
  ChannelCredentials,
  Client,
  logVerbosity,
  Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  setLogVerbosity,
  status,
} = grpc

export type CallCredentials = Grpc.CallCredentials
export type ChannelCredentials = Grpc.ChannelCredentials
export type Client = Grpc.Client
export type Metadata = Grpc.Metadata
export type ServerCredentials = Grpc.ServerCredentials
export type ServerInterceptingCall = Grpc.ServerInterceptingCall
export type status = Grpc.status

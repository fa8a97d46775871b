import { createRequire } from 'node:module'
import type * as Grpc from '@grpc/grpc-js'
import type * as Transport from '@grpc/grpc-js/build/src/transport.js'

// By require: to import CommonJS, Node 20 first loads a lexer, which takes as long as grpc-js itself. Every start of
// musterctl would wait for it. See docs/decisions/0019-musterctl-starts-quickly.md.
const grpc = createRequire(import.meta.url)('@grpc/grpc-js') as typeof Grpc
const transport = createRequire(import.meta.url)('@grpc/grpc-js/build/src/transport.js') as typeof Transport

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

/** What opens the connections of grpc-js's clients. Not part of its public interface; the version is pinned. */
export const { Http2SubchannelConnector } = transport

/** grpc-js's credentials of a call. */
export type CallCredentials = Grpc.CallCredentials
/** grpc-js's credentials of a client's connection. */
export type ChannelCredentials = Grpc.ChannelCredentials
/** grpc-js's client. */
export type Client = Grpc.Client
/** grpc-js's metadata of a call. */
export type Metadata = Grpc.Metadata
/** grpc-js's credentials of a server. */
export type ServerCredentials = Grpc.ServerCredentials
/** grpc-js's server call as interceptors see it. */
export type ServerInterceptingCall = Grpc.ServerInterceptingCall
/** A grpc-js server. */
export type Server = Grpc.Server
/** A gRPC status code. */
export type status = Grpc.status

import { createBalancerClass } from './balancer/balancer';
import { type GrpcModule, registerLoadBalancer, registerResolver } from './grpc/grpc-js';
import { createResolverClass } from './grpc/resolver';

const prepared = new WeakSet<GrpcModule>();

/** Teaches a copy of grpc-js the schemes and the balancer of this library. Done by `createGraylane()` for its own. */
export function registerWith(grpc: GrpcModule): void {
  if (prepared.has(grpc)) return;
  prepared.add(grpc);
  const resolver = createResolverClass();
  registerResolver(grpc, 'consul', resolver);
  registerResolver(grpc, 'static', resolver);
  registerLoadBalancer(grpc, createBalancerClass(grpc));
}

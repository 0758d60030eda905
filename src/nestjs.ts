/** `graylane/nestjs`: a module for NestJS 10 and 11. */

export {
  GRAYLANE,
  GRAYLANE_HEALTH,
  type GraylaneDynamicModule,
  type GraylaneHealth,
  type GraylaneHealthResult,
  GraylaneModule,
  type GraylaneModuleAsyncOptions,
  type GraylaneModuleOptions,
  type NestGrpcClient,
  type NestModule,
} from './client/frameworks/nestjs';

import { testQuietCalls } from './quiet-calls';

/** As grpc-go, grpc-java and C-core have it. */
testQuietCalls(120_000, {});

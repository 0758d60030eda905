import { CALL_STATE, type CallState } from '../call-state';
import { attachedToMetadata, type CallConfig, type ConfigSelector, type Metadata } from '../grpc-js';

/**
 * The config selector of a channel for copies. A copy brings its decision along, and is not tried again: grpc-js itself
 * sends what no server took on a second time, and no more.
 */
export class CopySelector implements ConfigSelector {
  invoke(_method: string, metadata: Metadata): CallConfig {
    const copy = attachedToMetadata(metadata, CALL_STATE) as CallState;
    return {
      methodConfig: { name: [] },
      pickInformation: copy as unknown as CallConfig['pickInformation'],
      status: 0,
      dynamicFilterFactories: [],
    };
  }

  unref(): void {}

  toJSON(): string {
    return 'selector of copies';
  }
}

import type { ErrorObject } from 'ajv';

/** What a schema asks for, to stand after the name of what does not fit it: `must be >= 1`. */
export function expectation(error: ErrorObject): string {
  switch (error.keyword) {
    case 'type':
      return `must be of type ${[error.params.type].flat().join(' or ')}`;
    case 'enum':
      return `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`;
    case 'const':
      return `must be ${JSON.stringify(error.params.allowedValue)}`;
    case 'required':
      return `must have "${error.params.missingProperty}"`;
    case 'additionalProperties':
      return `has an unknown key "${error.params.additionalProperty}"`;
    case 'minLength':
    case 'minItems':
      return error.params.limit === 1
        ? 'must not be empty'
        : `must have at least ${error.params.limit} elements`;
    case 'maxItems':
      return `must have at most ${error.params.limit} elements`;
    default:
      return error.message ?? 'is not valid';
  }
}

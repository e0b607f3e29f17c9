/** Where encoders come from unless HF_ENDPOINT names another. */
export const HUB = 'https://huggingface.co';

/** PyTorch's own archives of LibTorch. */
export const PYTORCH = 'https://download.pytorch.org';

/** Where encoders come from unless HF_ENDPOINT names another. */
export const HUB = 'https://huggingface.co';

/** PyTorch's own archives of LibTorch. */
export const PYTORCH = 'https://download.pytorch.org';

/** Whose hosts are asked no faster than its terms of use allow. */
export const ARXIV = 'arxiv.org';

/** arXiv's query API, unless ARXIV_API_ENDPOINT names a mirror. */
export const ARXIV_API = 'https://export.arxiv.org/api/query';

/** arXiv's OAI-PMH interface, unless ARXIV_OAI_ENDPOINT names a mirror. */
export const ARXIV_OAI = 'https://oaipmh.arxiv.org/oai';

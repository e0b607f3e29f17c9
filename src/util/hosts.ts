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

/** Mozilla's registry of Firefox Translations models, unless BERGAMOT_REGISTRY names another. */
export const BERGAMOT_REGISTRY =
  'https://storage.googleapis.com/moz-fx-translations-data--303e-prod-translations-data/db/models.json';

"""What words alone reach on a split: TF-IDF of title and abstract, and logistic regression, in scikit-learn."""

import argparse
import json
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with train, validation and test.jsonl")
    parser.add_argument("--out", required=True, type=Path, help="JSON with the scores")
    parser.add_argument("--predictions", type=Path, help="JSON lines: id, label and predicted of each test paper")
    arguments = parser.parse_args()

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3)
    model = LogisticRegression(C=4, max_iter=1000)
    rows, texts, labels = read(arguments.data / "train.jsonl")
    model.fit(vectorizer.fit_transform(texts), labels)

    scores = {}
    for part in ("validation", "test"):
        rows, texts, labels = read(arguments.data / f"{part}.jsonl")
        predicted = model.predict(vectorizer.transform(texts))
        recalls = recall_score(labels, predicted, average=None, labels=model.classes_)
        scores[part] = {"accuracy": round(100 * accuracy_score(labels, predicted), 2)}
        scores[part] |= {f"recall {name}": round(100 * recall, 2) for name, recall in zip(model.classes_, recalls)}
    arguments.out.write_text(json.dumps(scores, indent=2) + "\n")
    print(json.dumps(scores))

    if arguments.predictions:  # `rows` and the rest are the test part's
        lines = [
            json.dumps({"id": row["id"], "label": label, "predicted": guess})
            for row, label, guess in zip(rows, labels, predicted)
        ]
        arguments.predictions.write_text("\n".join(lines) + "\n")


def read(file):
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    labels = [row.get("label") or row["categories"][0] for row in rows]
    return rows, [f"{row['title']} {row['abstract']}" for row in rows], labels


if __name__ == "__main__":
    main()

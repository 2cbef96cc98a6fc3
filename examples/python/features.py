"""Features of flows for a classifier: tells one protocol from the others by sizes, times and flags alone.

    python features.py CAPTURE [PROTOCOL]
"""

from __future__ import annotations

import sys

from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

import tidegate

GROUPS = ("sizes", "iat", "flags", "payload", "entropy")


def main() -> None:
    path, protocol = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "http"
    flows = tidegate.read(path, statistics=GROUPS).flows.to_pandas()
    columns = [c for group in GROUPS for c in tidegate.STATISTICS[group][1]]
    features = flows[columns].fillna(0.0)
    labels = flows["app_proto"] == protocol
    print(f"{len(flows)} flows, {labels.sum()} of {protocol}, {len(columns)} features")
    model = RandomForestClassifier(n_estimators=100, random_state=1)
    folds = min(5, int(labels.sum()), int((~labels).sum()))
    if folds > 1:
        print(f"accuracy over {folds} folds: {cross_val_score(model, features, labels, cv=folds).mean():.3f}")
    model.fit(features, labels)
    best = sorted(zip(model.feature_importances_, columns), reverse=True)[:5]
    for weight, name in best:
        print(f"  {weight:.3f}  {name}")


if __name__ == "__main__":
    main()

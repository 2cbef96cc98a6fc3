#!/bin/sh
# demo.sh EVE.JSON: the demo saw what it should, and nothing else.
set -e
for sid in 7700001:1 7700004:1 7700007:1 7700014:1 7700015:1 9100001:2 9100002:1 9100003:1 9100004:1 9100005:1; do
    want=${sid#*:}
    have=$(grep -c "\"event_type\":\"alert\".*\"signature_id\":${sid%:*}," "$1" || true)
    if [ "$have" != "$want" ]; then
        echo "demo: $have alerts of ${sid%:*}, expected $want"
        exit 1
    fi
done
have=$(grep -c '"event_type":"alert"' "$1")
if [ "$have" != 11 ]; then
    echo "demo: $have alerts, expected 11"
    exit 1
fi
have=$(grep -c '"event_type":"ai"' "$1")
if [ "$have" != 7 ]; then
    echo "demo: $have calls of models, expected 7"
    exit 1
fi
if ! grep -q '"event_type":"ai_service".*"exposed":{"to":"outside"' "$1"; then
    echo "demo: the model server is not told as exposed"
    exit 1
fi
echo "demo: 11 alerts, as expected"

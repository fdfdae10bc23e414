#!/bin/sh
# Installs a pinned file into the environment of an image: install.sh FILE. Wheels only, so nothing is compiled or run;
# no pip and no commands of dependencies inside; byte code beside the sources, since the root file system will be read-only.
set -eu
environment=/opt/slipway
before=$(mktemp)
/opt/build/bin/pip --python "$environment/bin/python" install \
    --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes --requirement "$1"
find "$environment/lib" -depth -type d \( -name test -o -name tests \) -exec rm -r {} +
find "$environment/lib" -name '*.pyi' -delete
find "$environment/bin" -type f -delete
# Hashes instead of modification times keep the byte code valid, whatever copying does to files. The Kubernetes client
# loads few of its many modules: byte code for all of them would only double its size. What an earlier layer has is left.
find "$environment/lib" -name '*.py' -cnewer "$before" | "$environment/bin/python" -m compileall -q -j 0 \
    --invalidation-mode unchecked-hash -x '/kubernetes/(aio/)?client/(api|models)/' -i - \
    || echo 'what did not compile is for other versions of Python: nothing loads it' >&2
rm "$before"

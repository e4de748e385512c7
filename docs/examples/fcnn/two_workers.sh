#!/bin/sh
# Train by two workers on this machine, as a trial of what a cluster does:
#
#     ./two_workers.sh RECORDS MODEL.keras [more options of train.py]
set -e
records=$1 model=$2
shift 2
port=${PORT:-23456} # and the next one must be free
workers="\"127.0.0.1:$port\", \"127.0.0.1:$((port + 1))\""
for index in 1 0; do # the chief, 0, last: what it prints stays in front
    TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": {\"type\": \"worker\", \"index\": $index}}" \
        "${PYTHON:-python3}" "$(dirname "$0")/train.py" --strategy multiworker --records "$records" "$@" "$model" &
done
wait

#!/bin/sh
# What `skep up` is measured against: four engines and a swarm, the bare minimum, as fast as a
# shell can. No keys, no certificates, no SSH, no state, no answer to what goes wrong.
#
#   reference.sh up IMAGE FLAG…     start four containers from IMAGE with FLAGs, make a swarm
#   reference.sh down               remove them
#
# The worker token is an argument here and so can be read by other users of the host; skep sends
# it to the engine's socket instead.
set -eu

prefix=skep-reference
workers="worker1 worker2 worker3"
poll=0.1
jobs=

wait_for_engine() {
    tries=600
    until docker exec "$1" docker version >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "the engine of $1 does not answer" >&2; return 1; }
        sleep $poll
    done
}

# Waits for what was started in the background; fails if one of it did.
finish() {
    for job in $jobs; do wait "$job"; done
    jobs=
}

start() {
    node=$1 image=$2
    shift 2
    docker run --detach --name "$prefix-$node" --hostname "$node" --network $prefix \
        --volume /var/lib/docker --tmpfs /run:exec --tmpfs /tmp:exec "$@" "$image" >/dev/null
    wait_for_engine "$prefix-$node"
}

up() {
    docker network create $prefix >/dev/null
    for node in manager1 $workers; do
        start "$node" "$@" &
        jobs="$jobs $!"
    done
    finish
    address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' \
        $prefix-manager1)
    docker exec $prefix-manager1 docker swarm init --advertise-addr "$address" >/dev/null
    token=$(docker exec $prefix-manager1 docker swarm join-token --quiet worker)
    for node in $workers; do
        docker exec "$prefix-$node" docker swarm join --token "$token" "$address:2377" >/dev/null &
        jobs="$jobs $!"
    done
    finish
}

down() {
    for node in manager1 $workers; do
        docker rm --force --volumes "$prefix-$node" >/dev/null 2>&1 || :
    done
    docker network rm $prefix >/dev/null 2>&1 || :
}

action=$1
shift
"$action" "$@"

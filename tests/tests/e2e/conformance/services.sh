# Services that between them have everything a list or an inspection can show, made by the docker
# CLI on the first manager of a swarm whose machines have the image `web` with the tags 1 and 2.
# Run with `sh -eu`. Tasks sleep or end; no registry is used.
create() { docker service create --quiet --detach --no-resolve-image "$@" > /dev/null; }

docker node update --label-add zone=north --label-add empty manager1 > /dev/null
docker node update --label-add zone=south worker1 > /dev/null
docker network create --driver overlay --attachable inner > /dev/null
docker network create --driver overlay outer > /dev/null
printf 'not a secret' | docker secret create password - > /dev/null
printf 'listen 80;' | docker config create site - > /dev/null

create --name web9 --replicas 2 --publish 8080:80 web:1 sleep 3600
create --name web10 --replicas 3 --publish 9000-9002:9000-9002 --publish 9003:80 --publish 9004:80 web:1 sleep 3600
create --name odd-ports --publish 53:53/udp --publish 53:53/tcp --publish 81:80 --publish 82:81 --publish 83:80 web:1 sleep 3600
create --name own-port --mode global --publish mode=host,published=8088,target=80 \
    --publish mode=host,published=8089,target=81,protocol=udp web:1 sleep 3600
create --name everywhere --mode global --env A=1 --env 'B=two words' web:1 sleep 3600
create --name few --replicas 3 --replicas-max-per-node 1 web:1 sleep 3600
create --name nowhere --replicas 2 --constraint node.labels.zone==west --constraint node.role!=manager web:1 sleep 3600
create --name idle --replicas 0 web:1 sleep 3600
create --name spread --replicas 2 --placement-pref spread=node.labels.zone --placement-pref spread=node.role \
    --endpoint-mode dnsrr --network inner --network outer web:1 sleep 3600
create --name failing --restart-max-attempts 2 --restart-delay 100ms web:1 sh -c 'exit 3'
create --name missing --restart-max-attempts 1 --restart-delay 100ms web:1 no-such-program --and its arguments
create --name no-image --restart-condition none localhost/none/such:9 true
create --name job --mode replicated-job --replicas 4 --max-concurrent 2 web:1 true
create --name job-everywhere --mode global-job web:1 true
create --name job-failing --mode replicated-job --replicas 1 --restart-max-attempts 1 --restart-delay 100ms web:1 false
create --name full --replicas 1 --label tier=front --label bare --container-label inside=1 --env MODE=test --env EMPTY= \
    --hostname host --workdir /tmp --user nobody --init --cap-add NET_ADMIN --cap-add SYS_TIME --cap-drop CHOWN \
    --sysctl net.core.somaxconn=512 --ulimit nofile=1024:2048 --ulimit core=0 \
    --mount type=volume,source=data,target=/data --mount type=tmpfs,target=/scratch \
    --mount type=bind,source=/etc/hostname,target=/host,readonly \
    --secret password --secret source=password,target=other --config source=site,target=/etc/site.conf \
    --log-driver json-file --log-opt max-size=1m --log-opt max-file=2 \
    --limit-cpu 0.5 --limit-memory 64m --limit-pids 100 --reserve-cpu 0.05 --reserve-memory 5500k \
    --health-cmd 'test -e /usr/bin/sleep && true' --health-interval 1s --health-retries 4 --health-timeout 1500ms \
    --health-start-period 1m30s --update-delay 1m30s --update-parallelism 2 --update-failure-action rollback \
    --update-monitor 20s --update-max-failure-ratio 0.25 --update-order start-first --rollback-delay 250ms \
    --rollback-parallelism 0 --rollback-failure-action continue --rollback-max-failure-ratio 0.1 \
    --rollback-monitor 1h --rollback-order start-first --restart-condition on-failure --stop-grace-period 3s \
    --host other:192.0.2.1 --dns 192.0.2.53 --read-only --tty --network inner web:1 sh -c 'sleep 3600' --and more
create --name some-limits --limit-memory 1g --reserve-cpu 0.01 --log-driver none --no-healthcheck web:1 sleep 3600
create --name updated --replicas 2 --update-monitor 100ms --stop-grace-period 100ms web:1 sleep 3600
create --name paused --replicas 2 --update-monitor 2s --stop-grace-period 100ms --restart-delay 100ms \
    --restart-max-attempts 1 web:1 sleep 3600
create --name rolled-back --replicas 2 --update-monitor 2s --rollback-monitor 100ms --stop-grace-period 100ms \
    --restart-delay 100ms --restart-max-attempts 1 --update-failure-action rollback web:1 sleep 3600
create --name shop_front --label com.docker.stack.namespace=shop --publish 8181:80 web:1 sleep 3600
create --name shop_back --label com.docker.stack.namespace=shop --replicas 2 web:1 sleep 3600

# Waits until no task changes any more: `$1` tasks cannot be placed, and none is starting.
wait_until_stable() {
    for _ in $(seq 120); do
        moving=$(docker service ls -q | xargs docker service ps --format '{{.DesiredState}} {{.CurrentState}}' |
            grep -cE '(New|Allocated|Assigned|Accepted|Preparing|Ready|Starting) |^Running Pending' || true)
        updating=$(docker service ls -q | xargs docker service inspect --format '{{with .UpdateStatus}}{{.State}}{{end}}' |
            grep -cE '^(updating|rollback_started)$' || true)
        [ "$moving $updating" = "$1 0" ] && return
        sleep 0.5
    done
    docker service ls -q | xargs docker service ps
    exit 1
}
wait_until_stable 2
docker service update --quiet --detach --image web:2 updated > /dev/null
docker service update --quiet --detach --args 'no-such-program' paused > /dev/null
docker service update --quiet --detach --args 'no-such-program' rolled-back > /dev/null
wait_until_stable 2
docker node update --availability drain worker2 > /dev/null
wait_until_stable 3

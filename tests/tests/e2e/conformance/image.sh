# Makes the image `web`, tags 1 and 2, of a machine's own shell and what tasks run.
cd /
tar -ch usr/bin/sh usr/bin/sleep usr/bin/true usr/bin/false usr/bin/test etc/passwd \
    $(ldd /usr/bin/sleep | grep -o '/[^ ]*') 2> /dev/null > /tmp/web.tar
# What a health check's shell is called.
tar -rf /tmp/web.tar bin
docker import --change 'ENV PATH=/usr/bin' /tmp/web.tar web:1 > /dev/null
docker import --change 'ENV PATH=/usr/bin' --change 'LABEL two=2' /tmp/web.tar web:2 > /dev/null
rm /tmp/web.tar

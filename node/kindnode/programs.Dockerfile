# Servers that need programs of Debian beside them: kube-proxy and kube-router call iptables and ipset.
ARG BASE
FROM ${BASE} AS debian
RUN set -eu; mkdir /out; cd /; \
    files="usr/sbin/xtables-legacy-multi usr/sbin/xtables-nft-multi usr/sbin/ipset usr/sbin/conntrack"; \
    files="$files $(echo usr/lib/*-linux-gnu/xtables/*.so)"; \
    cp --archive --parents $files etc/alternatives/ip*tables* usr/sbin/ip*tables* /out; \
    cp --dereference --parents $(ldd $files | sed -n 's,.*[[:blank:]]\(/lib[^ ]*\) (.*,\1,p' | sort -u) /out; \
    mkdir /out/run /out/tmp

FROM scratch
COPY --from=debian /out/ /
COPY . /usr/local/bin/
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

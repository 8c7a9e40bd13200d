# The node itself: Debian, what kind puts into its own image (kind/, from its Go module), programs, and images.
ARG BASE
FROM ${BASE} AS system
COPY kind/ /
COPY own/ /
COPY bin/ /usr/bin/
# As in kind's own image: nothing is started but what a node needs, and nothing is read that is the host's.
RUN set -eu; \
    chmod 755 /kind /kind/bin /kind/bin/* /usr/local/bin/*; \
    cd /lib/systemd/system; \
    rm -f sysinit.target.wants/systemd-tmpfiles-setup.service multi-user.target.wants/* local-fs.target.wants/* \
      basic.target.wants/* sockets.target.wants/*udev* sockets.target.wants/*initctl* /etc/systemd/system/*.wants/*; \
    echo ReadKMsg=no >>/etc/systemd/journald.conf; \
    ln -sf /lib/systemd/systemd /sbin/init; \
    ln -s /usr/bin/containerd /usr/local/bin/containerd; \
    mkdir -p /etc/kubernetes/manifests /opt/cni; \
    ln -s /usr/lib/cni /opt/cni/bin; \
    systemctl enable kubelet.service containerd.service undo-mount-hacks.service; \
    systemctl mask systemd-binfmt.service; \
    # root of the engine's machine may not be allowed to lower a score, and then no container would start
    sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml; \
    ctr oci spec \
      | jq 'del(.process.rlimits) | .hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}]' \
      >/etc/containerd/cri-base.json

# Images are written, not unpacked: that takes mounts, which a build may not make.
FROM system AS images
COPY images.tar /images.tar
RUN set -eu; \
    echo 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\nversion = 2' >/import.toml; \
    containerd --config /import.toml --log-level error & server=$!; \
    for try in $(seq 50); do ctr version >/dev/null 2>&1 && break; sleep 0.2; done; \
    ctr --namespace k8s.io images import --no-unpack --all-platforms --digests /images.tar; \
    kill $server; wait

FROM system
COPY --from=images /var/lib/containerd /var/lib/containerd
ENV container=docker
# SIGTERM would have systemd start again
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]

FROM roadstead-test/debian
USER 99:99
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]

(function () {
  "use strict";
  var drawn = [];

  function colour(index) {
    return getComputedStyle(document.documentElement).getPropertyValue("--series-" + index).trim();
  }

  function ink(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function clock(seconds) {
    var minutes = Math.round(seconds / 60);
    return Math.floor(minutes / 60) + ":" + String(minutes % 60).padStart(2, "0");
  }

  function timeStep(span) {
    var steps = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    return steps.find(function (step) { return span / step <= 8; }) || 86400 * Math.ceil(span / 86400 / 8);
  }

  function points(series) {
    return series.x.map(function (x, i) { return { x: x, y: series.y[i] === null ? NaN : series.y[i] }; });
  }

  function tileRadius(grid) {
    return function (context) {
      var area = context.chart.chartArea;
      if (!area) { return 4; }
      return Math.max(2, Math.min((area.right - area.left) / grid[0], (area.bottom - area.top) / grid[1]) * 0.66);
    };
  }

  function lineSet(series) {
    return {
      type: "line", label: series.name, data: points(series), yAxisID: series.second_axis ? "y2" : "y",
      borderColor: colour(series.colour) + (series.faint ? "66" : ""), borderWidth: series.faint ? 1 : 1.8,
      borderDash: series.dashed ? [6, 4] : [], stepped: series.stepped ? "before" : false,
      backgroundColor: colour(series.colour) + (series.filled ? "26" : ""), fill: series.filled ? "origin" : false,
      pointRadius: 0, pointHitRadius: 6, pointStyle: "line", hidden: !!series.hidden, order: series.filled || series.faint ? 2 : 1
    };
  }

  function pointSet(spec, series) {
    var tiles = spec.kind === "map";
    return {
      type: "scatter", label: series.name, data: points(series), yAxisID: "y", hidden: !!series.hidden,
      backgroundColor: colour(series.colour), borderColor: tiles ? colour(series.colour) : ink("--paper"),
      borderWidth: tiles ? 0 : 1, pointStyle: tiles ? "rect" : "circle",
      radius: tiles ? tileRadius(spec.grid) : 7, hoverRadius: tiles ? tileRadius(spec.grid) : 9
    };
  }

  function dataSet(spec, series) {
    return spec.kind === "line" || series.dashed ? lineSet(series) : pointSet(spec, series);
  }

  function extreme(spec, key, pick) {
    return spec.series.reduce(function (so_far, series) {
      return series[key].reduce(function (a, b) { return b === null ? a : pick(a, b); }, so_far);
    }, pick === Math.min ? Infinity : -Infinity);
  }

  function axis(title, more) {
    return Object.assign({
      type: "linear", title: { display: true, text: title, color: ink("--soft-ink") },
      ticks: { color: ink("--soft-ink"), maxRotation: 0, autoSkipPadding: 12 }, grid: { color: ink("--line") }
    }, more);
  }

  function scales(spec) {
    var x = axis(spec.x_title, {});
    if (spec.kind === "line") {
      x.max = extreme(spec, "x", Math.max);
      x.min = spec.x_is_time ? extreme(spec, "x", Math.min) : 0;
    }
    if (spec.x_is_time) {
      x.afterBuildTicks = function (built) {
        var step = timeStep(x.max - x.min);
        built.ticks = [];
        for (var t = Math.ceil(x.min / step) * step; t <= x.max; t += step) { built.ticks.push({ value: t }); }
      };
      x.ticks.callback = clock;
    }
    var all = { x: x, y: axis(spec.y_title, spec.y_from_zero ? { beginAtZero: true } : {}) };
    if (spec.y_is_log) {
      all.y.type = "logarithmic";
      all.y.min = extreme(spec, "y", Math.min) * 0.8;
      all.y.ticks.callback = function (value) { return /^[125]0*$/.test(String(value)) ? String(value) : ""; };
    }
    if (spec.y2_title) {
      all.y2 = axis(spec.y2_title, { position: "right", beginAtZero: true });
      all.y2.grid = { drawOnChartArea: false };
    }
    return all;
  }

  function tooltip(spec) {
    return {
      callbacks: {
        title: function (items) {
          if (!items.length || spec.kind !== "line") { return ""; }
          return spec.x_title + " " + (spec.x_is_time ? clock(items[0].parsed.x) : items[0].parsed.x.toLocaleString());
        }
      }
    };
  }

  function draw(canvas) {
    var spec = JSON.parse(document.getElementById(canvas.id + "-data").textContent);
    return new Chart(canvas, {
      type: spec.kind === "line" ? "line" : "scatter",
      data: { datasets: spec.series.map(function (series) { return dataSet(spec, series); }) },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: spec.kind === "line" ? { mode: "nearest", axis: "x", intersect: false } : { mode: "nearest", intersect: true },
        scales: scales(spec),
        plugins: {
          legend: { display: spec.series.length > 1, position: "bottom",
            labels: { color: ink("--ink"), boxWidth: spec.kind === "line" ? 16 : 9, boxHeight: spec.kind === "line" ? 3 : 9,
              usePointStyle: spec.kind !== "line" } },
          tooltip: tooltip(spec)
        }
      }
    });
  }

  function drawAll() {
    drawn.forEach(function (chart) { chart.destroy(); });
    drawn = Array.prototype.map.call(document.querySelectorAll("canvas"), draw);
    document.documentElement.dataset.charts = String(drawn.length);
  }

  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (block) { block.open = true; });
    drawn.forEach(function (chart) { chart.resize(); });
  });
})();

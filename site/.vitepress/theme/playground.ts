import { useData, withBase } from 'vitepress';
import { defineComponent, h } from 'vue';

/** The playground that the package brings, in a frame: in the language and the colours of the page around it. */
export const Playground = defineComponent(() => {
  const { lang, isDark } = useData();
  return () => {
    const query = `embed=1&lang=${lang.value.startsWith('zh') ? 'zh' : 'en'}&theme=${isDark.value ? 'dark' : 'light'}`;
    return h('iframe', {
      class: 'playground',
      src: withBase(`/playground/index.html?${query}`),
      title: 'Graylane playground',
      loading: 'lazy',
    });
  };
});
